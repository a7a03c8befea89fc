{{/* The groups of alerts, with the labels that values add. */}}
{{- define "spliceway.alerts" -}}
{{- $groups := list -}}
{{- if .Values.prometheusRule.alerts -}}
{{- $groups = (.Files.Get "alerts.yaml" | fromYaml).groups -}}
{{- range $groups -}}
{{- range .rules -}}
{{- $_ := set . "labels" (merge .labels $.Values.prometheusRule.alertLabels) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $groups -}}
{{- end -}}
