// SPDX-License-Identifier: MIT
// What a Node service pays today for a session: the get() of connect-redis, one after the other.
//      node connect-redis.mjs REDIS_SOCKET SESSIONS ROUNDS CALLS       (in a folder with connect-redis and redis)
import { RedisStore } from "connect-redis";
import { createClient } from "redis";

const [socket, ...rest] = process.argv.slice(2);
const [sessions, rounds, calls] = rest.map(Number);
const client = createClient({ socket: { path: socket } });
await client.connect();
const store = new RedisStore({ client, prefix: "connect:", disableTouch: true });
const get = (id) => new Promise((done, failed) => store.get(id, (error, session) => (error || !session ? failed(error ?? "none") : done(session))));
const set = (id, session) => new Promise((done, failed) => store.set(id, session, (error) => (error ? failed(error) : done())));

const now = Date.now();
for (let i = 0; i < sessions; i += 500)
        await Promise.all(Array.from({ length: Math.min(500, sessions - i) }, (_, k) => set(`s${i + k}`, {
                cookie: { originalMaxAge: 86400000, expires: new Date(now + 86400000), httpOnly: true, secure: true, path: "/" },
                service: "bench", user: `u${String(i + k).padStart(7, "0")}`, roles: ["EDITOR", "USER"], created: now, auth: now,
                host: "192.0.2.117", agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0)",
                company: 1000042, theme: "dark", name: "Erika Mustermann-Beispiel",
        })));

for (let round = 0; round <= rounds; round++) {
        const samples = new Float64Array(calls), start = process.hrtime.bigint();
        for (let i = 0; i < calls; i++) {
                const before = process.hrtime.bigint();
                await get(`s${(i * 7919) % sessions}`);
                samples[i] = Number(process.hrtime.bigint() - before) / 1000;
        }
        const seconds = Number(process.hrtime.bigint() - start) / 1e9;
        samples.sort();
        if (round > 0)          // the first is for the compiler
                console.log(JSON.stringify({ name: "connect_redis", n: calls, p50: samples[calls >> 1], p99: samples[Math.floor(calls * 0.99)], per_s: calls / seconds }));
}
await client.disconnect();
