package main

// measures is everything that is measured, in the order in which it runs.
var measures = []measure{
	{"help.durable", measureHelp},
	{"help.flushed", measureFlush},
	{"help.latency", measureLatency},
	{"help.first_touch", measureTouch},
	{"pot.open", measureOpen},
	{"pots.open", measureMillion},
	{"callback.edge", measureEdge},
	{"audience", measureAudience},
}
