/* A counter for each value of a byte, in an array that has values for each processor. */
#define KIND PERCPU_ARRAY
#include "array.c"
