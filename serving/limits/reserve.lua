-- Grants a claim and counts it, or counts nothing. The same arithmetic as MemoryStore, which explains it.
-- KEYS: leases (sorted set), then one hash for each rate: bucket -> amount, "used", "first", "last".
-- ARGV: now in seconds or "" for this server's clock, lease, lease seconds, limit of streams or -1,
--       then for each rate: amount, limit or -1, seconds of a bucket, number of buckets.
-- Returns: refused (0 none, 1 streams, 2... rates), seconds to wait (-1 never), now, then used and reset by rate.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1e6
end
local lease, lease_seconds, streams = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
-- A clock that goes back stands still.
now = math.max(now, tonumber(redis.call('HGET', KEYS[2], 'now') or '0'))

local function whole(number) return string.format('%.0f', number) end

local rates = {}
for i = 2, #KEYS do
  local at = 5 + (i - 2) * 4
  local rate = {
    key = KEYS[i], amount = tonumber(ARGV[at]), limit = tonumber(ARGV[at + 1]),
    size = tonumber(ARGV[at + 2]), buckets = tonumber(ARGV[at + 3]),
  }
  local state = redis.call('HMGET', rate.key, 'used', 'first', 'last')
  rate.used, rate.present = tonumber(state[1] or '0') or 0, math.floor(now / rate.size)
  rate.first, rate.last = tonumber(state[2] or ''), tonumber(state[3] or '')
  if rate.first then
    while rate.first <= rate.last and rate.present - rate.first > rate.buckets do
      local held = redis.call('HGET', rate.key, whole(rate.first))
      if held then
        rate.used = rate.used - tonumber(held)
        redis.call('HDEL', rate.key, whole(rate.first))
      end
      rate.first = rate.first + 1
    end
    redis.call('HSET', rate.key, 'used', whole(rate.used), 'first', whole(rate.first))
  end
  rates[#rates + 1] = rate
end

local function ending(rate, bucket) return (bucket + rate.buckets + 1) * rate.size - now end

local function wait(rate)
  if rate.limit < 0 then return 0 end
  if rate.amount > rate.limit then return -1 end
  local excess, seconds, bucket = rate.used + rate.amount - rate.limit, 0, rate.first
  while excess > 0 and bucket and bucket <= rate.last do
    local held = redis.call('HGET', rate.key, whole(bucket))
    if held then
      excess = excess - tonumber(held)
      seconds = ending(rate, bucket)
    end
    bucket = bucket + 1
  end
  return seconds
end

local refused, seconds = 0, 0
for i, rate in ipairs(rates) do
  local its = wait(rate)
  if its ~= 0 and seconds ~= -1 and (its == -1 or its > seconds) then refused, seconds = i + 1, its end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now))
if streams >= 0 and redis.call('ZCARD', KEYS[1]) >= streams then
  local its = streams == 0 and -1 or 1
  if seconds ~= -1 and (its == -1 or its > seconds) then refused, seconds = 1, its end
end

if refused == 0 then
  redis.call('ZADD', KEYS[1], string.format('%.6f', now + lease_seconds), lease)
  redis.call('EXPIRE', KEYS[1], math.ceil(lease_seconds) + 1)
  for _, rate in ipairs(rates) do
    redis.call('HINCRBY', rate.key, whole(rate.present), whole(rate.amount))
    rate.used, rate.last = rate.used + rate.amount, rate.present
    rate.first = rate.first and rate.first <= rate.present and rate.first or rate.present
    redis.call('HSET', rate.key, 'used', whole(rate.used), 'first', whole(rate.first), 'last', whole(rate.last),
      'now', string.format('%.6f', now))
    redis.call('EXPIRE', rate.key, (rate.buckets + 2) * rate.size)
  end
end

local answer = { refused, string.format('%.6f', seconds), string.format('%.6f', now) }
for _, rate in ipairs(rates) do
  local bucket = rate.last
  while rate.used > 0 and bucket and bucket >= rate.first do
    if tonumber(redis.call('HGET', rate.key, whole(bucket)) or '0') > 0 then break end
    bucket = bucket - 1
  end
  answer[#answer + 1] = whole(rate.used)
  answer[#answer + 1] = string.format('%.6f', rate.used > 0 and ending(rate, bucket) or 0)
end
return answer
