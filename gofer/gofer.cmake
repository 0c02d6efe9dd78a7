# The file server process and the sentry's client for it.
runsc_library(gofer_client gofer platform_base)
runsc_library(gofer_server gofer/server gofer_client platform_base platform_host)
