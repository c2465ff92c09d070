/* SPDX-License-Identifier: Apache-2.0 */
/* What cloche-begin is made of. */
#ifndef CL_BEGIN_H
#define CL_BEGIN_H

#include "sandbox/base/err.h"

struct cl_settings_file;

/* Has cloche.yaml of this directory compiled. *settings stays NULL when there is none; what is wrong
 * with it is printed, and CL_E_INPUT says how much. Waits for policyc. */
int cl_settle_read(const char *config, const struct cl_settings_file **settings,
                   struct cl_err *err);
/* Whether the files that its `tls` names can be opened and served; why not is in *err or printed. */
int cl_settle_check_pair(const struct cl_settings_file *settings, struct cl_err *err);

#endif
