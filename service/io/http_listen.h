/* http_listen - a listening TCP socket from "host:port", with errors that an operator can act on.
 */
#pragma once

#include "base/err.h"

/* `listen` is "127.0.0.1:8635", "[::1]:8635" or "localhost:8635"; "*:8635" is every address.
 * ERR_FATAL: the text names `setting`, the address and what to do. */
bool http_listen(const char *setting, const char *listen, int backlog, int *socket,
                 struct err *err) MUST_CHECK;

/* True if the address is one of this machine's own loopback. */
bool http_listen_is_loopback(const char *listen);
