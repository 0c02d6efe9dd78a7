#!/bin/bash
# Installs the Debian packages of tests/ci-packages.txt that are missing. Needs root only if any is.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
while read -r package; do
  case $package in ''|'#'*) continue ;; esac
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done < ci-packages.txt
[ ${#missing[@]} -gt 0 ] || exit 0

echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update < /dev/null
apt-get -qy --no-install-recommends install "${missing[@]}" < /dev/null
