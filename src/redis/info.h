/* info.h: what a server says about itself in its answer to INFO. Any thread. */
#pragma once

enum { REDIS_INFO_MAX = 64 };

/* The value of a line "name:value"; "" without one. */
void redis_info_value(const char *info, const char *name, char ret[static REDIS_INFO_MAX]);
