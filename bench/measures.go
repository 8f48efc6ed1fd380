package main

// measures is everything that is measured, in the order in which it runs.
var measures = []measure{
	{"help.durable", measureHelp},
	{"callback.edge", measureEdge},
	{"audience", measureAudience},
}
