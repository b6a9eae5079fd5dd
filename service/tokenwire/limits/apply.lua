-- Applies entries of one caller to its leases and windows, one after the other.
--
-- This does the same as MemoryStore in memory.py, which explains it. Amounts are integers below
-- 2^53, which Lua's numbers hold exactly.
--
-- KEYS: 1  hash: the leases, by id
--       2  sorted set: the ids by the time when they expire
--       3  hash: what all leases hold: tokens, nanodollars, and the number of running calls
--       4- hash for each window: what was used in each of its parts
-- ARGV: 1  the Unix time in seconds; empty for the server's own
--       2  the lifetime of leases in seconds
--       3  the parts of a window that slides
--       4  the most running calls; -1 for any number
--       5  the number of windows
--       for each window: its unit (1 requests, 2 tokens, 3 nanodollars), its amount, its length in
--         seconds (0 for a period of the calendar), and of the calendar the begins of the previous,
--         the current and the next period and the end of that, by the clock of the one who asks
--       for each entry: kind (0 take, 1 renew, 2 settle, 3 drop), id, number, time of the start, whether
--         totals are known, the known totals (4), the totals (4), and what to hold (2)
-- Returns: for each entry the number of the window that refuses it (0 none, -1 the running calls)
--   and the milliseconds until there may be room (-1 never); then the number of running calls; then
--   for each window what is used and held.

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1e6
end
local lifetime = tonumber(ARGV[2])
local parts_of_window = tonumber(ARGV[3])
local max_streams = tonumber(ARGV[4])
local window_count = tonumber(ARGV[5])
local REQUESTS, TOKENS = 1, 2
local TAKE, RENEW, SETTLE, DROP = 0, 1, 2, 3
local KEEP_SECONDS = 3600 -- for which the leases of a caller who does not call are kept

local function integer(number)
  return string.format('%.0f', number)
end

local stored = redis.call('HMGET', KEYS[3], 'tokens', 'nanodollars', 'streams')
-- By unit.
local held = { 0, tonumber(stored[1]) or 0, tonumber(stored[2]) or 0 }
local streams = tonumber(stored[3]) or 0

-- A lease is a list: number, start, the four totals, the two amounts held, whether it is settled.
local function parse(text)
  local lease = {}
  for word in string.gmatch(text, '%S+') do
    lease[#lease + 1] = tonumber(word)
  end
  return lease
end

local function hold(lease, tokens, nanodollars)
  held[2] = held[2] + tokens - lease[7]
  held[3] = held[3] + nanodollars - lease[8]
  lease[7], lease[8] = tokens, nanodollars
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)) do
  local text = redis.call('HGET', KEYS[1], id)
  if text then
    local lease = parse(text)
    hold(lease, 0, 0)
    if lease[9] == 0 then
      streams = streams - 1
    end
    redis.call('HDEL', KEYS[1], id)
  end
  redis.call('ZREM', KEYS[2], id)
end

local windows = {}
local argument = 6
for index = 1, window_count do
  local window = {
    unit = tonumber(ARGV[argument]),
    amount = tonumber(ARGV[argument + 1]),
    length = tonumber(ARGV[argument + 2]),
    begin = tonumber(ARGV[argument + 4]),
    finish = tonumber(ARGV[argument + 5]),
    key = KEYS[3 + index],
    parts = {},
    changed = {},
    used = 0,
  }
  if window.length == 0 and now < window.begin then
    window.begin, window.finish = tonumber(ARGV[argument + 3]), window.begin
  elseif window.length == 0 and now >= window.finish then
    window.begin, window.finish = window.finish, tonumber(ARGV[argument + 6])
  end
  argument = argument + 7
  window.width = window.length / parts_of_window
  local fields = redis.call('HGETALL', window.key)
  local gone = {}
  for field = 1, #fields, 2 do
    local part, amount = tonumber(fields[field]), tonumber(fields[field + 1])
    local left
    if window.length > 0 then
      left = (part + 1) * window.width + window.length <= now
    else
      left = part < window.begin
    end
    if left then
      gone[#gone + 1] = fields[field]
    else
      window.parts[part] = amount
      window.used = window.used + amount
    end
  end
  if #gone > 0 then
    redis.call('HDEL', window.key, unpack(gone))
  end
  windows[index] = window
end

local function add(window, amount, at, may_lower)
  if amount == 0 then
    return
  end
  local part
  if window.length > 0 then
    part = math.floor(at / window.width)
    if (part + 1) * window.width + window.length <= now then
      return
    end
    if amount < 0 and not may_lower then
      return
    end
  else
    part = window.begin
    if at < part then
      return
    end
  end
  amount = math.max(amount, -(window.parts[part] or 0))
  window.parts[part] = (window.parts[part] or 0) + amount
  window.changed[part] = true
  window.used = window.used + amount
end

local function retry_after(window, missing)
  if window.length == 0 then
    return window.finish - now
  end
  local parts = {}
  for part in pairs(window.parts) do
    parts[#parts + 1] = part
  end
  table.sort(parts)
  for _, part in ipairs(parts) do
    missing = missing - window.parts[part]
    if missing <= 0 then
      return (part + 1) * window.width + window.length - now
    end
  end
  return window.width
end

local function need(entry, unit)
  if unit == REQUESTS then
    return 1
  elseif unit == TOKENS then
    return entry.totals[1] + entry.totals[3] + entry.tokens
  end
  return entry.totals[2] + entry.totals[4] + entry.nanodollars
end

local function refusal(entry)
  if max_streams >= 0 and streams >= max_streams then
    return -1, 1
  end
  for index, window in ipairs(windows) do
    local needed = need(entry, window.unit)
    local over = window.used + held[window.unit] + needed - window.amount
    if over > 0 then
      if needed > window.amount then
        return index, -1
      end
      return index, retry_after(window, over)
    end
  end
  return 0, 0
end

local function overrun()
  for index, window in ipairs(windows) do
    local over = window.used + held[window.unit] - window.amount
    if over > 0 and window.unit ~= REQUESTS then
      return index, retry_after(window, over)
    end
  end
  return 0, 0
end

local function charge(lease, totals)
  for _, window in ipairs(windows) do
    if window.unit ~= REQUESTS then
      local first = window.unit == TOKENS and 1 or 2
      add(window, totals[first] - lease[first + 2], lease[2], true)
      add(window, totals[first + 2] - lease[first + 4], now, false)
    end
  end
  for index = 1, 4 do
    lease[index + 2] = totals[index]
  end
end

local function begin(entry)
  local started = entry.kind == TAKE and now or entry.started
  if not entry.known then
    for _, window in ipairs(windows) do
      if window.unit == REQUESTS then
        add(window, 1, started, false)
      end
    end
  end
  streams = streams + 1
  local known = entry.known or { 0, 0, 0, 0 }
  return { 0, started, known[1], known[2], known[3], known[4], 0, 0, 0 }
end

local function keep(id, lease)
  local text = string.format(
    '%.0f %.6f %.0f %.0f %.0f %.0f %.0f %.0f %.0f',
    lease[1], lease[2], lease[3], lease[4], lease[5], lease[6], lease[7], lease[8], lease[9]
  )
  redis.call('HSET', KEYS[1], id, text)
  redis.call('ZADD', KEYS[2], string.format('%.6f', now + lifetime), id)
end

local function apply(entry)
  local text = redis.call('HGET', KEYS[1], entry.id)
  local lease = text and parse(text)
  if entry.kind == TAKE then
    if lease then
      return 0, 0
    end
    local window, wait = refusal(entry)
    if window ~= 0 then
      return window, wait
    end
  elseif lease and entry.number <= lease[1] then
    return 0, 0
  elseif not lease and entry.kind == DROP then
    keep(entry.id, { entry.number, now, 0, 0, 0, 0, 0, 0, 1 })
    return 0, 0
  end
  lease = lease or begin(entry)
  charge(lease, entry.totals)
  lease[1] = entry.number
  hold(lease, entry.tokens, entry.nanodollars)
  local window, wait = 0, 0
  if entry.kind == SETTLE or entry.kind == DROP then
    if lease[9] == 0 then
      streams = streams - 1
    end
    lease[9] = 1
  elseif entry.kind == RENEW and (entry.tokens > 0 or entry.nanodollars > 0) then
    window, wait = overrun()
    if window ~= 0 then
      hold(lease, 0, 0)
    end
  end
  keep(entry.id, lease)
  return window, wait
end

local reply = {}
while argument <= #ARGV do
  local entry = {
    kind = tonumber(ARGV[argument]),
    id = ARGV[argument + 1],
    number = tonumber(ARGV[argument + 2]),
    started = tonumber(ARGV[argument + 3]),
    totals = {},
    tokens = tonumber(ARGV[argument + 13]),
    nanodollars = tonumber(ARGV[argument + 14]),
  }
  if ARGV[argument + 4] == '1' then
    entry.known = {}
  end
  for index = 1, 4 do
    if entry.known then
      entry.known[index] = tonumber(ARGV[argument + 4 + index])
    end
    entry.totals[index] = tonumber(ARGV[argument + 8 + index])
  end
  argument = argument + 15
  local window, wait = apply(entry)
  reply[#reply + 1] = window
  reply[#reply + 1] = wait < 0 and -1 or math.ceil(wait * 1000)
end

reply[#reply + 1] = streams
for _, window in ipairs(windows) do
  reply[#reply + 1] = window.used + held[window.unit]
  for part in pairs(window.changed) do
    redis.call('HSET', window.key, integer(part), integer(window.parts[part]))
  end
  local lasts = window.length > 0 and 2 * window.length or window.finish - now + 60
  redis.call('EXPIRE', window.key, integer(math.ceil(lasts)))
end
redis.call(
  'HSET', KEYS[3],
  'tokens', integer(held[2]), 'nanodollars', integer(held[3]), 'streams', integer(streams)
)
for index = 1, 3 do
  redis.call('EXPIRE', KEYS[index], integer(KEEP_SECONDS))
end
return reply
