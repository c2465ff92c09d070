/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks compiled settings before anyone reads them, and looks what changed.
 * Runs in: cloche-begin and cloche-loader.
 * Trusts: the kernel's seals; no byte of what a confined cloche-policyc wrote.
 */
#include "sandbox/load/settings.h"

#include <stdbool.h>
#include <string.h>

#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/sealed.h"

static const char tls[] = "tls.";

/* Terminated, and nothing in it that a command line or a log line could take for more. */
static bool is_text(const char *text, size_t size)
{
    const size_t length = strnlen(text, size);

    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    return length > 0 && length < size;
}

static bool is_whole(const struct cl_settings_file *settings)
{
    if (settings->magic != CL_SETTINGS_MAGIC || settings->version != CL_SETTINGS_VERSION ||
        settings->size != sizeof(*settings) || settings->count > CL_SETTINGS_MAX)
        return false;
    for (uint32_t i = 0; i < settings->count; i++) {
        const struct cl_setting *setting = &settings->settings[i];
        if (!is_text(setting->key, sizeof(setting->key)) ||
            !is_text(setting->text, sizeof(setting->text)))
            return false;
    }
    return true;
}

const struct cl_settings_file *cl_settings_open(int fd, struct cl_err *err)
{
    const size_t size = sizeof(struct cl_settings_file);
    size_t length = 0;
    const struct cl_settings_file *settings =
        cl_sealed_map(fd, "settings file", size, size, &length, err);

    if (settings && !is_whole(settings)) {
        cl_settings_close(settings);
        cl_fail(err, CL_E_LOST, "policyc made broken settings");
        return NULL;
    }
    return settings;
}

void cl_settings_close(const struct cl_settings_file *settings)
{
    cl_sealed_unmap(settings, sizeof(*settings));
}

const char *cl_settings_text(const struct cl_settings_file *settings, const char *key)
{
    for (uint32_t i = 0; settings && i < settings->count; i++) {
        if (strcmp(settings->settings[i].key, key) == 0)
            return settings->settings[i].text;
    }
    return "";
}

bool cl_settings_has_tls(const struct cl_settings_file *settings)
{
    return cl_settings_text(settings, "tls.certificate")[0] != '\0';
}

static void warn(const char *key)
{
    cl_log(CL_WARN, "settings.restart", "key=%s what=\"cloche.yaml: needs a restart\"", key);
}

static void warn_differing(const struct cl_settings_file *one,
                           const struct cl_settings_file *other, bool is_back)
{
    for (uint32_t i = 0; one && i < one->count; i++) {
        const struct cl_setting *setting = &one->settings[i];
        const char *text = cl_settings_text(other, setting->key);

        if (strncmp(setting->key, tls, strlen(tls)) != 0 && strcmp(text, setting->text) != 0 &&
            !(is_back && *text))
            warn(setting->key);
    }
}

void cl_settings_compare(const struct cl_settings_file *begun,
                         const struct cl_settings_file *now)
{
    warn_differing(begun, now, false);
    warn_differing(now, begun, true);
    if (cl_settings_has_tls(begun) != cl_settings_has_tls(now))
        warn("tls");
}
