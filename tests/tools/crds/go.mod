// Pins the modules whose resource definitions the tests install; scripts/setup copies the files out of them. No program is built, so
// what these modules need is not listed.
module iter8/tests/tools/crds

go 1.26.0

require (
	github.com/kserve/kserve v0.20.0
	istio.io/api v1.32.0
	knative.dev/serving v0.51.0
	sigs.k8s.io/gateway-api v1.6.3
)
