# Cron-like long sleepers: sleeps, alarms and timeouts keep their time while others work.
set -euo pipefail
start=$(date +%s%N)
sleep 3 & sleep 2.5 &
timeout 1 sleep 100 || [ $? = 124 ]
timeout -s KILL 1 sh -c 'trap "" TERM; while :; do :; done' || [ $? = 137 ]
wait
took=$(( ($(date +%s%N) - start) / 1000000 ))
[ $took -ge 3000 ] && [ $took -lt 6000 ]
echo "3 s of sleep took $took ms"
