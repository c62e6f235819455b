// Only for its files: the definitions that the chart's TLSRoute is checked against.
module purr.poker/tests/cluster/gateway-api

go 1.26.0

require sigs.k8s.io/gateway-api v1.5.1
