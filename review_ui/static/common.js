// What all pages need: requests with this page's token, and signing out.

export const reviewer = document.body.dataset.reviewer;
const csrfToken = document.querySelector('meta[name="csrf-token"]').content;

export class Refusal extends Error {
  constructor(status, detail) {
    super(typeof detail === "string" ? detail : "The request was refused.");
    this.status = status;
  }
}

export async function request(method, url, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(url, {
    method,
    headers,
    credentials: "same-origin",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, answer.detail);
  return answer;
}

// crypto.randomUUID is missing on plain HTTP addresses other than loopback.
export function makeId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

document.getElementById("sign-out")?.addEventListener("click", async () => {
  await request("DELETE", "/api/session");
  location.assign("/sign-in");
});
