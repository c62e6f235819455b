// Only for its files: the definition that the example of a scaled fleet is checked against.
module purr.poker/tests/cluster/keda

go 1.26.0

require github.com/kedacore/keda/v2 v2.21.0
