# A package built here and installed by apt-get, with a maintainer script; then removed.
set -euo pipefail
cd "$(mktemp -d)"; chmod 755 .
mkdir -p p/DEBIAN p/usr/share/local-test
printf 'Package: local-test\nVersion: 1.0\nArchitecture: all\nMaintainer: n <n@n>\nDescription: a test\n' > p/DEBIAN/control
printf '#!/bin/sh\necho configured > /var/local-test\n' > p/DEBIAN/postinst; chmod 755 p/DEBIAN/postinst
echo content > p/usr/share/local-test/file
dpkg-deb -b p local-test.deb >/dev/null
apt-get -qq -o APT::Sandbox::User=root install ./local-test.deb >/dev/null
[ "$(cat /usr/share/local-test/file)" = content ]
[ "$(cat /var/local-test)" = configured ]
dpkg -s local-test | grep -q 'Status: install ok installed'
apt-get -qq remove local-test >/dev/null
[ ! -e /usr/share/local-test/file ]
echo "installed, configured, removed"
