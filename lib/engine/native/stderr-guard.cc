// Sends the process's standard error to a file while a library loads, and back again. TensorFlow logs from its static
// initialisers, before any of its own settings can silence it; the text is kept in the file, so nothing is lost.
#include <fcntl.h>
#include <node_api.h>
#include <unistd.h>

namespace {

napi_value Number(napi_env env, int value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

// divert(path: string): number. The saved descriptor, or -1 when the file cannot be opened (nothing is diverted then).
napi_value Divert(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  char path[4096];
  if (napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr) != napi_ok || count != 1 ||
      napi_get_value_string_utf8(env, argument, path, sizeof path, nullptr) != napi_ok) {
    napi_throw_type_error(env, nullptr, "divert(path): path must be a string");
    return nullptr;
  }
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return Number(env, -1);
  const int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  if (saved >= 0) dup2(file, STDERR_FILENO);
  close(file);
  return Number(env, saved);
}

// restore(saved: number): void
napi_value Restore(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  int saved = -1;
  if (napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr) != napi_ok || count != 1 ||
      napi_get_value_int32(env, argument, &saved) != napi_ok) {
    napi_throw_type_error(env, nullptr, "restore(saved): saved must be a number");
    return nullptr;
  }
  if (saved >= 0) {
    dup2(saved, STDERR_FILENO);
    close(saved);
  }
  return nullptr;
}

napi_value Init(napi_env env, napi_value exports) {
  const napi_property_descriptor properties[] = {
      {"divert", nullptr, Divert, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"restore", nullptr, Restore, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, 2, properties);
  return exports;
}

}  // namespace

NAPI_MODULE(stderr_guard, Init)
