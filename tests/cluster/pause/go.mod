module purr.poker/tests/cluster/pause

go 1.26.0
