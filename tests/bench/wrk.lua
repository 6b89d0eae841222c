-- wrk.lua - asks for the targets of a file in random order, and prints what came of it as JSON.
--
--   wrk ... -s wrk.lua URL -- FILE

local threads = {}

function setup(thread)
    table.insert(threads, thread)
    thread:set("seed", #threads)
end

function init(args)
    math.randomseed(seed)
    targets = {}
    for target in io.lines(args[1]) do
        targets[#targets + 1] = wrk.format("GET", target)
    end
end

function request()
    return targets[math.random(#targets)]
end

function done(summary, latency, requests)
    local errors = summary.errors
    print(string.format(
        '{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,"bytes":%d,"refused":%d,"broken":%d}',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        latency.max / 1e3, summary.bytes, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
