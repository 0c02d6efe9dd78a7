# The seccomp-trap engine.
runsc_library(platform_systrap platform/systrap platform_stub)
