/* SPDX-License-Identifier: MIT
 *
 * The Host header as a guard against DNS rebinding: a page elsewhere can make
 * its own name point to 127.0.0.1 and then read from here, but its browser
 * still sends that name. The port is not looked at: through `ssh -L 9000:...`
 * it is another one, and a page cannot choose the name by it.
 */
#ifndef VIEWER_HOST_H
#define VIEWER_HOST_H

#include <stdbool.h>

/* Whether `host` ("name", "name:8765", "[::1]:8765") is localhost, 127.0.0.1,
 * [::1] or one of `allowed`: names with commas between them, or NULL. */
bool host_is_ours(const char *host, const char *allowed);

/* Whether it is an address in digits: no page can make that point elsewhere. */
bool host_is_address(const char *host);

#endif
