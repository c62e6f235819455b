"""bot.py URL HANDS: checks where that is free, calls small bets, folds to others. From table-pod/protocol/README.md alone."""
import asyncio, base64, json, secrets, sys, time, urllib.request
from datetime import datetime, timezone

from eth_account import Account
from eth_account.messages import encode_defunct
from websockets.asyncio.client import connect

URL, HANDS = sys.argv[1].rstrip("/"), int(sys.argv[2])
wallet = Account.create()

def http(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, {"content-type": "application/json"}, method=method)
    return json.load(urllib.request.urlopen(request))

def sign_in():
    n = http("POST", "/v1/auth/nonce", {})
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = (f"{n['domain']} wants you to sign in with your Ethereum account:\n{wallet.address}\n\nSign in to Purr Poker.\n\n"
            f"URI: {n['uri']}\nVersion: 1\nChain ID: {n['chainId']}\nNonce: {n['nonce']}\nIssued At: {now}")
    signature = wallet.sign_message(encode_defunct(text=text)).signature.hex().removeprefix("0x")
    return http("POST", "/v1/auth/sign-in", {"message": text, "signature": "0x" + signature})["accessToken"]

def permit(table_id, seat, amount):
    config, expiry, nonce = http("GET", "/v1/config"), int(time.time()) + 3600, secrets.randbits(63)
    named = config.get("permitVersion", 1) == 2
    fields = [("bytes32", "tableId"), *([("uint8", "seat")] if named else []), ("address", "player"), ("uint64", "amount"),
              ("uint64", "maxTotalRake"), ("uint64", "expiry"), ("uint64", "nonce")]
    domain = {"name": "Purr Poker", "version": "1", "chainId": config["chainId"], "verifyingContract": config["vault"]}
    message = {"tableId": bytes.fromhex(table_id[2:]), "seat": seat, "player": wallet.address, "amount": amount,
               "maxTotalRake": amount, "expiry": expiry, "nonce": nonce}
    types = {"SitPermit" if named else "SeatPermit": [{"type": kind, "name": name} for kind, name in fields]}
    signed = wallet.sign_typed_data(domain, types, {name: message[name] for _, name in fields})
    return {"amount": str(amount), "maxTotalRake": str(amount), "expiryS": str(expiry), "nonce": str(nonce),
            "signature": base64.b64encode(signed.signature).decode()}

async def play():
    table = http("GET", "/v1/tables")["tables"][0]
    table_id = http("GET", f"/v1/tables/{table['uid']}")["tableId"]
    token, last_id, me, hand, board, bets, ended = sign_in(), time.time_ns() // 1000, None, None, 0, {}, 0
    async with connect(URL.replace("http", "ws", 1) + f"/v1/tables/{table['uid']}/socket", subprotocols=["purr.v1.json"]) as ws:
        async def say(**body):
            nonlocal last_id
            last_id += 1
            await ws.send(json.dumps({"id": str(last_id), **body}))
        await say(attach={"token": token})
        async for text in ws:
            told = json.loads(text)
            if "error" in told:
                sys.exit(f"refused: {told['error']}")
            if snapshot := told.get("snapshot"):
                taken = {s.get("seat", 0) for s in snapshot.get("seats", [])}
                seat, amount = min(set(range(snapshot["seatCount"])) - taken), int(snapshot["buyInMin"])
                await say(sit={"seat": seat, "amount": str(amount), "permit": permit(table_id, seat, amount)})
            for event in told.get("events", {}).get("events", []):
                (kind, body), = event.items()
                seat = body.get("seat", 0)
                if kind == "seated" and body["player"].lower() == wallet.address.lower():
                    me = seat
                elif kind == "handStarted":
                    hand, board, bets = body["hand"], 0, {}
                elif kind == "posted" and body["kind"] not in ("POST_KIND_ANTE", "POST_KIND_DEAD"):
                    bets[seat] = bets.get(seat, 0) + int(body["amount"])
                elif kind == "acted":
                    bets[seat] = int(body.get("total", 0))
                elif kind == "street" and "board" not in body:
                    board, bets = board + len(body["cards"]), {}
                elif kind == "turn" and "options" in body and seat == me:
                    call = int(body["options"].get("call", 0))
                    what = "CHECK" if body["options"].get("check") else "CALL" if call <= 500 else "FOLD"
                    question = {"boardCards": board, "toMatch": str(bets.get(me, 0) + call)}
                    await say(act={"hand": hand, "kind": f"ACTION_KIND_{what}", "question": question})
                elif kind == "handEnded":
                    own = [int(result.get("delta", 0)) for result in body["results"] if result.get("seat", 0) == me]
                    print(f"hand {body['hand']}: {own}", flush=True)
                    if (ended := ended + len(own)) == HANDS:
                        return await say(leave={})

asyncio.run(play())
