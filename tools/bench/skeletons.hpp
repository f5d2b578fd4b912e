// The bench's skeletons, which name the shared types without including them.
#pragma once

#include "flow.h"

#include "bench_sock.skel.h"
#include "bench_tc.skel.h"
