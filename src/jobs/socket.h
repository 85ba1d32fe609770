/* socket.h: the events of many jobs over one WebSocket. Private to this folder. */
#pragma once

#include "http/server/websocket.h"
#include "jobs/job.h"

struct websockets *jobs_sockets_new(struct jobs *j) MUST_CHECK;
