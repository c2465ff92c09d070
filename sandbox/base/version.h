/* SPDX-License-Identifier: Apache-2.0 */
/* The version of every program here, and of what they tell of themselves. */
#ifndef CL_BASE_VERSION_H
#define CL_BASE_VERSION_H

#define CL_VERSION "0.1.0"

#endif
