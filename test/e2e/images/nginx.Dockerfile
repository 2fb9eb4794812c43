FROM localhost/shoal-e2e-tools
CMD ["nginx", "-g", "daemon off;"]
