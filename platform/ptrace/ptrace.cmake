# The ptrace engine.
runsc_library(platform_ptrace platform/ptrace platform_stub)
