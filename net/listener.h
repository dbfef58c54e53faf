// Listening TCP sockets, as plain file descriptors: for Io implementations. Any thread.
#pragma once

#include "net/io.h"

namespace headrace::net {

// Opens a listening socket in *fd (the caller closes it) and says in *bound where it listens.
// Returns 0 or an errno; EINVAL: not a numeric address. Several reactors may listen on one port
// (SO_REUSEPORT): the kernel spreads connections over them.
int open_listener(const Endpoint& wanted, int* fd, Endpoint* bound);

// Because of SO_REUSEPORT a second process of the same user would be let in silently. So before the
// first listener the node asks whether the port is free: 0, or EADDRINUSE and the like.
int check_unused(const Endpoint& wanted);

// An accepted socket: sets TCP_NODELAY, tells the other side. False: it is gone already.
bool prepare_accepted(int fd, Endpoint* peer);

}  // namespace headrace::net
