/* address - "host:port" of a listening socket, taken apart. Pure. */
#pragma once

#include <stdbool.h>

enum { ADDRESS_HOST = 256, ADDRESS_PORT = 6 };

/* "127.0.0.1:8635", "[::1]:8635", "localhost:8635"; host "*", or none, stands for every address.
 * The host comes without brackets, "" for every address; the port is 1 to 65535. False: not of that
 * form. */
bool address_split(const char *text, char host[ADDRESS_HOST], char port[ADDRESS_PORT]);
