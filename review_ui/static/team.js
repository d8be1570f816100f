// Inviting and revoking.

import { request } from "./common.js";

const result = document.getElementById("invite-result");

document.getElementById("invite").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const invitation = { name: form.get("name").trim(), role: form.get("role") };
  try {
    const made = await request("POST", "/api/reviewers", invitation);
    const code = document.createElement("code");
    code.textContent = made.link;
    result.replaceChildren(`Send this link to ${made.name}. It is shown once. `, code);
    event.target.reset();
  } catch (error) {
    result.textContent = error.message;
  }
});

for (const button of document.querySelectorAll("[data-revoke]")) {
  button.addEventListener("click", async () => {
    if (button.dataset.asked !== "yes") {
      button.dataset.asked = "yes";
      button.textContent = "Revoke, really?";
      return;
    }
    await request("DELETE", `/api/reviewers/${encodeURIComponent(button.dataset.revoke)}`);
    location.reload();
  });
}
