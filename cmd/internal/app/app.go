// Package app builds the application's object graph by hand, in reading order, for
// the production binary, the demo and the story tests.
package app
