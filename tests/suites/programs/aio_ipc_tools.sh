# ipcmk, ipcs and ipcrm see the objects that programs make.
set -euo pipefail
shm=$(ipcmk -M 8192 | grep -oE '[0-9]+'); sem=$(ipcmk -S 3 | grep -oE '[0-9]+'); queue=$(ipcmk -Q | grep -oE '[0-9]+')
ipcs -m | awk -v id="$shm" '$2 == id && $5 == 8192 { found = 1 } END { exit !found }'
ipcs -s | awk -v id="$sem" '$2 == id && $5 == 3 { found = 1 } END { exit !found }'
ipcs -q | awk -v id="$queue" '$2 == id { found = 1 } END { exit !found }'
ipcs -m -i "$shm" | grep -q 'bytes=8192'
ipcrm -m "$shm" -s "$sem" -q "$queue"
[ -z "$(ipcs -m | awk -v id="$shm" '$2 == id')" ]
echo "a segment, a set, a queue"
