# The process that opens sockets in the container's network namespace, and the sentry's client for it.
runsc_library(netbroker_client platform/netbroker platform_base)
runsc_library(netbroker_server platform/netbroker/server netbroker_client platform_host platform_base)
