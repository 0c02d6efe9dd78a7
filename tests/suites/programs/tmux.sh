# tmux: a session with two windows, keys typed into it, its screen read back, the window size changed.
set -euo pipefail
export TERM=screen LC_ALL=C.UTF-8
tmux -f /dev/null new-session -d -s t -x 80 -y 24 'bash --norc'
tmux send-keys -t t 'echo answer=$((6*7)); stty size' Enter
for _ in $(seq 50); do tmux capture-pane -p -t t | grep -q '^answer=42' && break; sleep 0.1; done
tmux capture-pane -p -t t | grep -qx 'answer=42'
tmux new-window -t t 'cat > /tmp/typed'
tmux send-keys -t t:1 'some words' Enter C-d
for _ in $(seq 50); do grep -qx 'some words' /tmp/typed 2>/dev/null && break; sleep 0.1; done
grep -qx 'some words' /tmp/typed
tmux resize-window -t t:0 -x 100 -y 30
tmux send-keys -t t:0 'clear; stty size' Enter
for _ in $(seq 50); do tmux capture-pane -p -t t:0 | grep -qE '^(29|30) 100' && break; sleep 0.1; done
tmux capture-pane -p -t t:0 | grep -E '^(29|30) 100'
tmux kill-server
echo "a screen, two windows, a resize"
