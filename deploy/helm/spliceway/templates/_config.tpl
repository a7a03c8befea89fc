{{/* The gateway's configuration file. Names of files are relative to it: all that the pod is given is in one volume. */}}
{{- define "spliceway.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "listen" ":8443" -}}
{{- $_ := set $config "metrics" (dict "listen" ":9090") -}}
{{- $_ := set $config "admin" (merge (dict "socket" "/run/spliceway/admin.sock") (default dict $config.admin)) -}}
{{- if $config.authn.jwksURL -}}
{{- $_ := set $config.authn "cacheFile" "/var/cache/spliceway/keys.json" -}}
{{- end -}}
{{- $pair := dict "certificateFile" "tls/tls.crt" "privateKeyFile" "tls/tls.key" -}}
{{- if eq .Values.tls.source "authority" -}}
{{- $names := include "spliceway.names" . | fromJsonArray -}}
{{- $_ := set $config "tls" (dict "issuingCA" (merge $pair (dict "names" $names "lifetime" .Values.tls.lifetime))) -}}
{{- else -}}
{{- $_ := set $config "tls" $pair -}}
{{- end -}}
{{- $_ := set $config "clusters" (include "spliceway.clusters" . | fromJsonArray) -}}
{{- $recordings := default dict $config.recordings -}}
{{- if ne .Values.recordings.storage "none" -}}
{{- $_ := set $recordings "dir" "/var/lib/spliceway/recordings" -}}
{{- end -}}
{{- if .Values.recordings.sealKeySecret -}}
{{- $_ := set $recordings "sealKeyFile" "seal/seal.key" -}}
{{- end -}}
{{- if $recordings -}}
{{- $_ := set $config "recordings" $recordings -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Names and addresses of the gateway, as JSON. */}}
{{- define "spliceway.names" -}}
{{- $service := include "spliceway.fullname" . -}}
{{- $qualified := printf "%s.%s.svc" $service .Release.Namespace -}}
{{- concat .Values.tls.names (list $qualified (printf "%s.cluster.local" $qualified)) | uniq | toJson -}}
{{- end -}}

{{/* Names and addresses of the clusters, which clients know them by, as JSON. */}}
{{- define "spliceway.hosts" -}}
{{- $hosts := list -}}
{{- range include "spliceway.clusters" . | fromJsonArray -}}
{{- $hosts = concat $hosts (list .address) (default list .aliases) -}}
{{- end -}}
{{- compact $hosts | uniq | toJson -}}
{{- end -}}

{{/* The value of clusters, as JSON. */}}
{{- define "spliceway.clusters" -}}
{{- $clusters := list -}}
{{- with .Values.cluster -}}
{{- if .enabled -}}
{{- $clusters = append $clusters (merge (omit . "enabled") (dict "inCluster" true)) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraClusters -}}
{{- $dir := printf "clusters/%s" .name -}}
{{- $files := dict "certificateAuthorityFile" (printf "%s/ca.crt" $dir) -}}
{{- if eq (default "token" .credential) "token" -}}
{{- $_ := set $files "bearerTokenFile" (printf "%s/token" $dir) -}}
{{- else -}}
{{- $_ := set $files "clientCertificateFile" (printf "%s/tls.crt" $dir) -}}
{{- $_ := set $files "clientKeyFile" (printf "%s/tls.key" $dir) -}}
{{- end -}}
{{- $clusters = append $clusters (merge (omit . "secretName" "credential") $files) -}}
{{- end -}}
{{- toJson $clusters -}}
{{- end -}}

{{/* A duration as 1h30m, in seconds. */}}
{{- define "spliceway.seconds" -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+[hms]" . -1 -}}
{{- $unit := get (dict "h" 3600 "m" 60 "s" 1) (regexFind "[hms]" .) -}}
{{- $seconds = add $seconds (mul (atoi (regexFind "[0-9]+" .)) $unit) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* Name of the Secret with the gateway's certificate, or its authority. */}}
{{- define "spliceway.tlsSecret" -}}
{{- default (printf "%s-%s" (include "spliceway.fullname" .) (ternary "authority" "tls" (eq .Values.tls.source "authority"))) .Values.tls.secretName -}}
{{- end -}}
