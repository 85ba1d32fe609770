/* exchange.h: libmicrohttpd's callbacks, made into exchanges. ctx of all: the struct front, whose thread
 * calls them. */
#pragma once

#include <microhttpd.h>

#include "http/server/server.h"

enum MHD_Result exchange_access(void *front, struct MHD_Connection *c, const char *url, const char *method,
                                const char *version, const char *data, size_t *size, void **state);
void exchange_completed(void *front, struct MHD_Connection *c, void **state,
                        enum MHD_RequestTerminationCode how);
/* The connection of x speaks another protocol from now on: x is over, and with it what the handler knows. */
void exchange_upgraded(struct exchange *x);
void *exchange_request_line(void *front, const char *target, struct MHD_Connection *c);
