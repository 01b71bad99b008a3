// Keeps the page up to date, and says when it is not. Without it the page is whole,
// as of when it was made.
const silence = 1700; // ms without an event after which the connection counts as lost
const pause = 1000; // ms between fetches, and between attempts to connect
const dead = 5000; // ms without an event after which another connection is tried
const unseen = 10000; // ms for which a page that nobody sees stays connected: a browser has few connections
const root = document.body.dataset.root;
const live = document.getElementById("live");
const status = document.getElementById("status");

let offset = live.dataset.now - Date.now(); // of the server's clock
const now = () => Date.now() + offset;
let state; // of the newest event; undefined before the first, null without a connection
let heard = now(); // when it came
let opened; // when the connection was
let behind = 0; // since when the page has been known to be old; 0 while it is not
let fetching = false, fetched = 0;

let events; // the connection; undefined while there is none
let closing; // a timer

function connect() {
	if (events || document.hidden) return;
	events = new EventSource(root + "api/v1/events?only=state");
	events.onmessage = (message) => {
		state = JSON.parse(message.data);
		heard = now();
		tick();
	};
	events.onerror = () => {
		retry();
		tick();
	};
	opened = now();
}

function retry() {
	disconnect();
	setTimeout(connect, pause);
}

function disconnect() {
	if (events) events.close();
	events = undefined;
	state = null;
}

function turn() { // the page to the user or away
	clearTimeout(closing);
	if (document.hidden) closing = setTimeout(disconnect, unseen);
	else connect();
	tick();
}

function tick() {
	if (document.hidden) return; // it is seen by nobody
	if (events && now() - Math.max(heard, opened) > dead) retry();
	// What happens while the store is not known is not known either.
	const isDue = live.dataset.next && now() >= live.dataset.next && !(state && state.unknown_since);
	const isOld = isDue || state && state.version !== live.dataset.version;
	behind = isOld ? behind || now() : 0;
	if (isOld && !fetching && Date.now() - fetched >= pause) refresh();
	const words = fault();
	if (words === undefined) return;
	if (!words) count();
	say(words || "Live", words ? "stale" : "live");
}

// fault says why the page is not up to date, "" if it is, undefined if that is not
// known yet.
function fault() {
	const since = (time, why) => `Not up to date since ${new Date(time).toISOString().slice(11, 19)} UTC: ${why}`;
	if (now() - heard > silence || state === null) return since(heard, "no connection");
	if (!state) return undefined;
	if (state.unknown_since) return since(Date.parse(state.unknown_since), "the store can't be reached");
	if (behind && now() - behind > silence) return since(behind, "the page can't be fetched");
	return "";
}

function say(words, how) {
	if (status.textContent !== words) status.textContent = words;
	status.className = how;
}

async function refresh() {
	fetching = true;
	fetched = Date.now();
	try {
		const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(5000) });
		show(new DOMParser().parseFromString(await answer.text(), "text/html"));
		behind = 0;
	} catch {} // then the page stays behind, and says so
	fetching = false;
	tick();
}

function show(page) {
	const fresh = page.getElementById("live");
	if (!fresh) throw new Error("it is not this page");
	if (page.body.dataset.build !== document.body.dataset.build) location.replace(location.pathname + location.search); // another program; it may be the answer to a form
	offset = fresh.dataset.now - Date.now();
	const focused = document.activeElement;
	patch(live, fresh);
	document.title = live.dataset.title;
	if (document.activeElement !== focused) (focused.isConnected ? focused : document.getElementById("main")).focus({ preventScroll: true });
}

// patch makes old like fresh. What is the same stays, with its focus and selection;
// an element with an id stays itself where it is moved.
function patch(old, fresh) {
	if (old.isEqualNode(fresh)) return;
	if (old.nodeType !== Node.ELEMENT_NODE) {
		old.data = fresh.data;
		return;
	}
	for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
	for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
	const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
	let at = old.firstChild; // what is before it is done
	for (const child of [...fresh.childNodes]) {
		let same = child.id ? named.get(child.id) : at && !at.id ? at : null;
		if (same && same.nodeName !== child.nodeName) same = null;
		if (!same) old.insertBefore(child, at);
		else if (same !== at) old.insertBefore(same, at);
		else at = at.nextSibling;
		if (same) patch(same, child);
	}
	while (at) {
		const next = at.nextSibling;
		at.remove();
		at = next;
	}
}

// count counts what is left of times, and what has passed since. span in Go has the
// same rule.
function count() {
	for (const element of live.querySelectorAll("[data-until], [data-since]")) {
		const { until, since } = element.dataset;
		const words = span(until ? Date.parse(until) - now() : now() - Date.parse(since));
		if (element.textContent !== words) element.textContent = words;
	}
}

function span(ms) {
	const s = Math.max(0, Math.floor(ms / 1000));
	if (s < 60) return s + "s";
	if (s < 3600) return `${Math.floor(s / 60)}m${s % 60}s`;
	if (s < 86400) return `${Math.floor(s / 3600)}h${Math.floor(s / 60) % 60}m`;
	return `${Math.floor(s / 86400)}d${Math.floor(s / 3600) % 24}h`;
}

document.title = live.dataset.title; // which says more than what was sent before the rows were known
if (location.search.includes("done=")) history.replaceState(null, "", location.pathname); // it was done once
connect();
setInterval(tick, 250);
document.addEventListener("visibilitychange", turn);
addEventListener("pagehide", disconnect); // a browser may keep a page that was left, and its connection
addEventListener("pageshow", turn);
tick();
