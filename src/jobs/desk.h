/* desk.h: how work is accepted (request/job_desk.h). Private to this folder; core thread. */
#pragma once

#include "jobs/job.h"

extern const struct job_desk desk_ops;
