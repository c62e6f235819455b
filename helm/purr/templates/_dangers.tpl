{{/* Combinations of values that each work alone and are dangerous together. Each message names the values. */}}

{{- define "purr.dangerousGateway" -}}
{{- $gateway := .Values.gateway -}}
{{- $budget := $gateway.podDisruptionBudget -}}
{{- $replicas := include "purr.leastReplicas" (dict "values" $gateway) | int -}}
{{- $said := ternary "gateway.autoscaling.minReplicas" "gateway.replicas" $gateway.autoscaling.enabled -}}
{{- range $name := list "gateway" "records" -}}
{{- $own := index $.Values $name "autoscaling" -}}
{{- if and $own.enabled (gt (int $own.minReplicas) (int $own.maxReplicas)) -}}
{{- fail (printf "%s.autoscaling.minReplicas %d with %s.autoscaling.maxReplicas %d: raise the one or lower the other." $name (int $own.minReplicas) $name (int $own.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if not (kindIs "invalid" $budget.minAvailable) -}}
{{- if ge (int $budget.minAvailable) $replicas -}}
{{- fail (printf "%s %d with gateway.podDisruptionBudget.minAvailable %d allows no disruption: a node with a gateway on it could never be drained. Raise the replicas or lower minAvailable." $said $replicas (int $budget.minAvailable)) -}}
{{- end -}}
{{- else if lt (int $budget.maxUnavailable) 1 -}}
{{- fail (printf "%s %d with gateway.podDisruptionBudget.maxUnavailable 0 allows no disruption: a node with a gateway on it could never be drained. Set maxUnavailable to at least 1." $said $replicas) -}}
{{- end -}}
{{- $proxies := concat $gateway.clientAddress.forwardedFrom $gateway.clientAddress.proxyProtocolFrom -}}
{{- if and $gateway.ingress.enabled (not $proxies) (not $gateway.clientAddress.hiddenAccepted) -}}
{{- fail "gateway.ingress.enabled without gateway.clientAddress.forwardedFrom or proxyProtocolFrom: every player would have the ingress controller's address and share its rate limits. Name the controller's networks." -}}
{{- end -}}
{{- if and $gateway.tlsRoute.enabled (not $gateway.clientAddress.proxyProtocolFrom) (not $gateway.clientAddress.hiddenAccepted) -}}
{{- /* A proxy that passes TLS through cannot add X-Forwarded-For; with an Ingress beside it, its list may be meant. */ -}}
{{- if not $proxies -}}
{{- fail "gateway.tlsRoute.enabled without gateway.clientAddress.proxyProtocolFrom: every player would have the proxy's address and share its rate limits. Name the proxy's networks." -}}
{{- end -}}
{{- end -}}
{{- if and $gateway.guestKeys (not .Values.anvil.enabled) (not (has (int64 .Values.chain.chainId) (list (int64 31337) (int64 1337)))) -}}
{{- fail (printf "gateway.guestKeys with chain.chainId %d: keys that a browser keeps unprotected must not hold real money. Set guestKeys to false, or use a development chain (31337, 1337 or anvil.enabled)." (int64 .Values.chain.chainId)) -}}
{{- end -}}
{{- end -}}

{{- define "purr.dangerousChain" -}}
{{- $chain := .Values.chain -}}
{{- if and .Values.anvil.enabled $chain.rpcUrls -}}
{{- fail (printf "anvil.enabled with chain.rpcUrls %s: the development chain and a chain of your own exclude each other. Set one of them." (first $chain.rpcUrls)) -}}
{{- end -}}
{{- if and .Values.anvil.enabled $chain.rpcUrlsSecret.name -}}
{{- fail (printf "anvil.enabled with chain.rpcUrlsSecret.name %s: the development chain and a chain of your own exclude each other. Set one of them." $chain.rpcUrlsSecret.name) -}}
{{- end -}}
{{- if and $chain.rpcUrls $chain.rpcUrlsSecret.name -}}
{{- fail (printf "chain.rpcUrls with chain.rpcUrlsSecret.name %s: one of the two lists would be ignored. Set one of them." $chain.rpcUrlsSecret.name) -}}
{{- end -}}
{{- if ne (empty $chain.vault) (empty $chain.token) -}}
{{- fail (printf "chain.vault %q with chain.token %q: set both, or neither until the vault is deployed." $chain.vault $chain.token) -}}
{{- end -}}
{{- $signer := .Values.chainSigner -}}
{{- if gt (int $signer.replicas) 1 -}}
{{- if $signer.hsm.initToken -}}
{{- fail (printf "chainSigner.replicas %d with chainSigner.hsm.initToken: each replica would make a token and keys of its own, and the vault knows one. Use a network HSM with initToken false, or one replica." (int $signer.replicas)) -}}
{{- end -}}
{{- if contains "softhsm" (lower $signer.hsm.module) -}}
{{- fail (printf "chainSigner.replicas %d with chainSigner.hsm.module %s: a soft token is on the volume of one replica. Use a network HSM, or one replica." (int $signer.replicas) $signer.hsm.module) -}}
{{- end -}}
{{- end -}}
{{- if eq $signer.hsm.settleKey $signer.hsm.voucherKey -}}
{{- fail (printf "chainSigner.hsm.settleKey and chainSigner.hsm.voucherKey are both %s: no key both settles and pays out. Name two keys." $signer.hsm.settleKey) -}}
{{- end -}}
{{- end -}}

{{- define "purr.dangerousFairplay" -}}
{{- $fairplay := .Values.fairplay -}}
{{- if not $fairplay.keySecret -}}
{{- fail "fairplay.enabled without fairplay.keySecret: the program could open no hand. Name the Secret that holds the secret key of fairplay.publicKey." -}}
{{- end -}}
{{- if not $fairplay.publicKey -}}
{{- fail "fairplay.enabled without fairplay.publicKey: tables would seal no hole cards, and what was not recorded can never be analysed. Set the public key of the key in fairplay.keySecret." -}}
{{- end -}}
{{- end -}}
