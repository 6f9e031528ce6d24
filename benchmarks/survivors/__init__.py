"""The survivors of mutation: changes of the code that no test objects to."""
