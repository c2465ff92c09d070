/* SPDX-License-Identifier: Apache-2.0 */
/* What tenants may keep, told to the store, which counts what they do keep. */
#ifndef CL_API_TENANTSTORE_H
#define CL_API_TENANTSTORE_H

#include "api/storeq.h"
#include "api/tenants/tenant.h"

/* After every load. A store that is too busy to be told keeps to what it was told last. */
void cl_tenantstore_tell(const struct cl_tenancy *tenancy, struct cl_storeq *queue);

#endif
