/* field_name.h: is the name of a field that a route does not have a slip of one that it has? Read only, any
 * thread. */
#pragma once

#include <stdbool.h>

/* The same but for case, dashes and underlines, or, of names that are long enough to tell, one letter more,
 * less, other, or changed places with its neighbour. */
bool field_name_near(const char *given, const char *known);
