// The token stands behind the # of the link, which browsers never send: it is in no log.

const problem = document.getElementById("problem");

async function signIn(token) {
  const response = await fetch("/api/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    credentials: "same-origin",
    body: JSON.stringify({ token }),
  });
  if (response.ok) {
    location.replace("/");
    return;
  }
  const answer = await response.json().catch(() => ({}));
  problem.textContent = typeof answer.detail === "string" ? answer.detail : "This link is not valid.";
}

document.getElementById("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const pasted = new FormData(event.target).get("token").trim();
  signIn(pasted.slice(pasted.lastIndexOf("#") + 1));
});

const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", "/sign-in");
  document.getElementById("sign-in-text").textContent = "Signing in…";
  signIn(token);
}
