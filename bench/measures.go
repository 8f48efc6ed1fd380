package main

// measures is everything that is measured, in the order in which it runs.
var measures = []measure{
	{"callback.edge", measureEdge},
}
