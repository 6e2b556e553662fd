"""How fast the router's parts are. `README.md` beside this file says what is measured, and how."""
