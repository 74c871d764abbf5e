{{- /*
Copies of a request have the headers of the request, as they are sent to its version. If a header selects the version (in ModelMesh, and
behind Knative's gateway), copies that were sent straight to the backend would reach the same version as the request. Therefore they are
sent to the gateway, and carry a header by which the route recognizes them and passes them on to the candidate.

Envoy may append `-shadow` to the host of copies (Istio before 1.28 does), so the route has those hosts as well.
*/ -}}
{{- define "traffic.copyHeader" -}}
x-iter8-mirror
{{- end -}}
