"""The demo on real data: a slice of a shop's log, its feature graph, a ranking task and a trained model."""
