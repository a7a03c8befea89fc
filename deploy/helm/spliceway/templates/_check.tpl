{{/* What the schema cannot say, each with what to do. */}}
{{- define "spliceway.check" -}}
{{- $v := .Values -}}
{{- $authn := $v.config.authn -}}
{{- if not $v.image.repository -}}
{{- fail "image.repository is required: where the image that make image has made was pushed to" -}}
{{- end -}}
{{- if or (not $authn.issuer) (not $authn.audience) -}}
{{- fail "config.authn.issuer and config.authn.audience are required: the iss and aud claims of the tokens" -}}
{{- end -}}
{{- if not (or $authn.jwksURL $authn.jwksFile) -}}
{{- fail "config.authn.jwksURL is required: the issuer's signing keys; or jwksFile, with extraVolumes" -}}
{{- end -}}
{{- if and $v.cluster.enabled (not $v.cluster.address) -}}
{{- fail "cluster.address is required: what a token's resource.address says for this cluster; or set cluster.enabled to false" -}}
{{- end -}}
{{- if not (or $v.cluster.enabled $v.extraClusters) -}}
{{- fail "there is no cluster: enable cluster, or add one to extraClusters" -}}
{{- end -}}
{{- if and (eq $v.tls.source "secret") (not $v.tls.secretName) -}}
{{- fail "tls.secretName is required with tls.source secret: a Secret with tls.crt and tls.key" -}}
{{- end -}}
{{- if and (eq $v.tls.source "cert-manager") (not $v.tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef.name is required with tls.source cert-manager: an Issuer, or a ClusterIssuer with kind" -}}
{{- end -}}
{{- $recordings := default dict $v.config.recordings -}}
{{- if and (eq $v.recordings.storage "none") $recordings.lines (not $v.recordings.sealKeySecret) -}}
{{- fail "recordings.sealKeySecret is required: with recordings.storage none there is no other place for the key that seals the lines" -}}
{{- end -}}
{{- if and $v.rbac.create $v.rbac.constrained.enabled (semverCompare "<1.35.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "rbac.constrained needs Kubernetes 1.36, or 1.35 with the feature gate ConstrainedImpersonation, and this is %s; set rbac.constrained.enabled to false" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}
