-- Ends a granted claim, once: nothing happens where its lease is gone.
-- KEYS: leases, then one hash for each rate. ARGV: now in seconds or "" for this server's clock, lease,
-- when it was counted in seconds, then for each rate: difference, seconds of a bucket.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1e6
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now))
if redis.call('ZREM', KEYS[1], ARGV[2]) == 0 then return 0 end
for i = 2, #KEYS do
  local at = 4 + (i - 2) * 2
  local bucket = string.format('%.0f', math.floor(tonumber(ARGV[3]) / tonumber(ARGV[at + 1])))
  local held = redis.call('HGET', KEYS[i], bucket)
  if held then
    local difference = math.max(tonumber(ARGV[at]), -tonumber(held))
    redis.call('HINCRBY', KEYS[i], bucket, string.format('%.0f', difference))
    redis.call('HINCRBY', KEYS[i], 'used', string.format('%.0f', difference))
  end
end
return 1
