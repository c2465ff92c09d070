/* SPDX-License-Identifier: Apache-2.0 */
/* The `components` of /openapi.json: a JSON object and a line's end. */
#ifndef CL_API_OPENAPI_SHAPES_H
#define CL_API_OPENAPI_SHAPES_H

extern const char cl_openapi_shapes[];

#endif
