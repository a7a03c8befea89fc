{{- define "spliceway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* The longest suffix has 13 characters, and a name 63. */}}
{{- define "spliceway.fullname" -}}
{{- $name := include "spliceway.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of what has no namespace. */}}
{{- define "spliceway.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "spliceway.fullname" .) -}}
{{- end -}}

{{- define "spliceway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "spliceway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "spliceway.claimName" -}}
{{- default (printf "%s-recordings" (include "spliceway.fullname" .)) .Values.recordings.existingClaim -}}
{{- end -}}

{{- define "spliceway.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "spliceway.selector" -}}
app.kubernetes.io/name: {{ include "spliceway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "spliceway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "spliceway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Of what makes the authority: a selector of the gateway does not match it. */}}
{{- define "spliceway.hookLabels" -}}
app.kubernetes.io/name: {{ include "spliceway.name" . }}-authority
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Annotations of a hook with the given weight. */}}
{{- define "spliceway.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
