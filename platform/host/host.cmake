# Host side: processes, jails, system call filters. Nothing here knows about guests.
find_library(SECCOMP_LIBRARY NAMES libseccomp.a seccomp REQUIRED)
runsc_library(platform_host platform/host platform_base ${SECCOMP_LIBRARY})
