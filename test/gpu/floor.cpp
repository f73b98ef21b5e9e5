// Linked into the addon of the CUDA archive only. The machine that packs may have a newer C library than the one that the archive runs
// on. The few symbols that headers of this age ask for in newer versions are given here, so that glibc 2.28 and the libstdc++ of
// GCC 8 suffice. The linker is called with --wrap for the functions below (test/gpu/addon.ts).
#include <sstream>

// libstdc++ asks it whether a reference count must be atomic; 0 says yes. Since glibc 2.32 the C library has its own.
extern "C" {
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}

// Since GCC 11 exported by libstdc++ itself, under GLIBCXX_3.4.29.
template std::string std::basic_stringbuf<char>::str() const&;

extern "C" {
double old_pow(double, double);
void* old_dlopen(const char*, int);
char* old_dlerror();
__asm__(".symver old_pow, pow@GLIBC_2.2.5");
__asm__(".symver old_dlopen, dlopen@GLIBC_2.2.5");
__asm__(".symver old_dlerror, dlerror@GLIBC_2.2.5");

double __wrap_pow(double base, double exponent) { return old_pow(base, exponent); }
void* __wrap_dlopen(const char* path, int mode) { return old_dlopen(path, mode); }
char* __wrap_dlerror() { return old_dlerror(); }
}
